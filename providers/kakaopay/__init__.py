"""KakaoPay single payments: `ready`, `approve`, `order`, `cancel`."""
