"""What is computed: a function for each experiment."""
