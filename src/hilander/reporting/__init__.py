"""What every report is made of: one page, one style sheet, one way to draw."""

from hilander.reporting.page import data_url, load_template, png_url, write_page

__all__ = ["data_url", "load_template", "png_url", "write_page"]
