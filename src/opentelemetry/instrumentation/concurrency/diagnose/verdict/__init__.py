"""Findings: tasks or threads of one site under one verdict, with evidence."""
