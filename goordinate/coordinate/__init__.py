"""The abstract API of the queue, and the rules that every backend shares."""
