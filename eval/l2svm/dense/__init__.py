"""Problems that one processor's memory holds."""
