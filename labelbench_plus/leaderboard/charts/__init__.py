"""Charts as SVG text: no scripts, no inline styles, the same bytes for the same input.

Colours come from classes (`c0` … `c5`, `baseline`) that a style sheet defines for light and dark; a strategy has its
own colour, dash pattern and marker, so that no one of them is needed. Every part of a strategy carries
`data-series`, by which the site's script finds it; strategies beside the few that matter are `pale`.
"""
