"""The panels: they build widgets, emit signals and have setters; they decide nothing."""
