"""From results to what people read: tables, the screen, plots, the page, and differences."""
