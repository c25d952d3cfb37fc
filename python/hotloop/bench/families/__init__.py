"""The benchmark cases, one file a group of families; each has a generator of rows a family."""
