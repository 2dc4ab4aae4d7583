"""The page for people: what happens now, and the API's documentation. No CDN, no build step."""
