"""Tests of what keeps resources."""
