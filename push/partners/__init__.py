"""What partner systems are told of deliveries (Standard Webhooks)."""
