"""The edge: HTTP, command line, and the only wiring. Decides nothing about money."""
