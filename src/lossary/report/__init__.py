"""Renders results: on the terminal, as HTML pages and charts. No other part of the library does."""
