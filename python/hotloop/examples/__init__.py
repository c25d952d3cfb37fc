"""Programs to read and run: `python -m hotloop.examples.mnist` and `python -m hotloop.examples.regression`."""
