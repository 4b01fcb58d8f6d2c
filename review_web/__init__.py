"""The human side: a small server-rendered site where reviewers read cards and answer them."""
