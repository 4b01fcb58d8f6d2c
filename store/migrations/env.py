"""Alembic's entry: the migrations run on the connection, and in the transaction, of `store.schema.prepare`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
