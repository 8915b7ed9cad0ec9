"""Scripts that make the banks of responses that come with the package."""
