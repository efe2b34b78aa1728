"""What happens: threads, runs and their log. Knows nothing of pages and sockets."""
