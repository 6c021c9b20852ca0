"""What a push says: texts and templates by channel and language, variants, links and who follows them."""
