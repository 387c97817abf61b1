"""From the CIB to working memory: configuration, nodes, resources, tags, then the status section's history."""
