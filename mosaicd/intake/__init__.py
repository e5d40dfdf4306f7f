"""Intake: from files in the inbox to jobs."""
