"""Readers of IGN products, one file a product."""
