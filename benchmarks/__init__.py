"""The tables: rows, published figures, the runner that measures them, and reports."""
