"""The CUDA library of hotloop, which opens it on first use of device="cuda"."""

from pathlib import Path

library = str(Path(__file__).with_name("libhotloop_cuda.so"))
