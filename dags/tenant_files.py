"""Show each tenant file that does not load as an import error, in a file of its own so that it takes no DAG down."""

# Airflow reads only those files that have its name in them, and the word dag: without this line the errors stay unseen.

from patronload.config import tenants
from patronload.errors import ConfigError

broken = [str(loaded) for _, loaded in tenants.load_all() if isinstance(loaded, ConfigError)]
if broken:
    raise ConfigError("\n\nThese tenants have no working DAG until their files are mended:\n\n" + "\n".join(broken))
