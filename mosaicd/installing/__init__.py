"""Making this installation a service of systemd's, and taking that back."""
