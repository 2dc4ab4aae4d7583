"""Drawings as SVG, made of numbers and names on the server: they are there without script."""
