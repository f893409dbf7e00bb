"""What travels with an exported book: a verifier that stands alone. It refuses to be imported."""
