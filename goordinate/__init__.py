"""Goordinate: a work queue daemon that speaks the Coordinate protocol."""

__version__ = "0.1.0"
