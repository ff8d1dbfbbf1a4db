"""The tables: rows, published figures, the runner that measures them, comparisons and reports."""
