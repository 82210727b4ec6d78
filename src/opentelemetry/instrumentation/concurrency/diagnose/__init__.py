"""Diagnosis: from scans to verdicts."""
