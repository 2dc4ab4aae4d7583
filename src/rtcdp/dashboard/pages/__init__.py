"""A module for each page, with its `PAGE`; what stands here is found by itself."""
