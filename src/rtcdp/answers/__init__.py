"""Reading, without HTTP: exact answers, each from one snapshot of the store and with its freshness.

The API, the command line, the driver of tests and `rtcdp verify` all read through here. A list is
asked for by a question, whose fields say what they mean, and answered by a page.
"""
