"""What layers' constructors check, and the shapes of image batches."""

from hotloop.names import choose
from hotloop.ops.geometry import window_geometry

_FORMATS = {
    None: "channels_last",
    "channels_last": "channels_last",
    "channels_first": "channels_first",
    "NHWC": "channels_last",
    "NCHW": "channels_first",
}
_ROOMY = 1 << 30  # stands for an axis of unknown size: any window fits


def layout(where, data_format):
    """Keras' word for the order of the axes; None is "channels_last"."""
    return choose(where, "data_format", data_format, _FORMATS)


def op_layout(data_format):
    """The ops' word for the order of the axes."""
    return "NHWC" if data_format == "channels_last" else "NCHW"


def axes_of(data_format):
    """The axes of an image batch in words."""
    return "(batch, height, width, channels)" if data_format == "channels_last" else "(batch, channels, height, width)"


def image_sizes(shape, data_format):
    """((height, width), channels) of a batch's shape."""
    return (shape[1:3], shape[3]) if data_format == "channels_last" else (shape[2:4], shape[1])


def image_shape(sizes, channels, data_format):
    """The opposite of image_sizes, for an unknown batch size."""
    return (None, *sizes, channels) if data_format == "channels_last" else (None, channels, *sizes)


def windows_in(where, sizes, window, stride, padding, dilation=(1, 1), *, pooling=False):
    """How many windows fit along height and width; None where the size is None.

    Raises:
        TypeError, ValueError: padding is not what the ops take, or no window fits.
    """
    known = tuple(_ROOMY if size is None else size for size in sizes)
    counts = window_geometry(where, known, window, stride, padding, dilation, pooling=pooling)[:2]
    return tuple(None if size is None else count for size, count in zip(sizes, counts, strict=True))


def check_padding(where, window, stride, padding, dilation=(1, 1), *, pooling=False):
    """padding, if the ops take it."""
    windows_in(where, (None, None), window, stride, padding, dilation, pooling=pooling)
    return padding.lower() if isinstance(padding, str) else padding
