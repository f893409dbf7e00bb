"""The engine knows transactions and truth; it knows no HTTP server and no gateway."""
