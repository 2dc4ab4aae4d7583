"""The built-in folds, a file each."""
