"""Evaluation: who answers, what is kept of each answer, how answers are summed up and shown."""
