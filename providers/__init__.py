"""Gateways: one folder each, an adapter and a simulator that share no code."""
