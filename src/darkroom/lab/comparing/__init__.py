"""What differs between two stored experiments: read, compared as data, and shown as text, Markdown or a page."""
