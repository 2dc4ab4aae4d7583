"""The processes of an installation: which run, who may, what keeps one from working."""
