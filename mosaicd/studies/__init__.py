"""Studies and benchmarks that users can run on their own libraries."""
