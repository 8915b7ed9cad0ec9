"""What problems of source-task selection share: allocations, the spaces sources come from, their oracle and view."""
