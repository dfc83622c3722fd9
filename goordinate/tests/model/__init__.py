"""A model of the job server, plainly right and slow, and random calls that compare the two."""
