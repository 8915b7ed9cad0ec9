"""Strategies that look at where items lie."""
