/* Names and roles that the theme leaves out, so that screen readers and axe find none missing. */
for (const event of ["DOMContentLoaded", "course:revealed"]) document.addEventListener(event, () => {
  // regions that scroll sideways must be reachable by keyboard
  const scrollers = document.querySelectorAll(".pst-scrollable-table-container, div.highlight pre, .output pre, .timeline-map, .course-figure, .output.text_html, div.math, mjx-container[display]");
  for (const box of scrollers) if (box.scrollWidth > box.clientWidth + 1 && !box.hasAttribute("tabindex")) box.tabIndex = 0;
});
