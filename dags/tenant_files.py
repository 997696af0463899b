"""Show each tenant file that does not load as an import error. It is a separate file, so that no DAG goes down."""

# Airflow reads only files that contain its name and the word dag: without this line the errors would stay invisible.

from patronload.config import tenants
from patronload.errors import ConfigError

broken = [str(loaded) for _, loaded in tenants.load_all() if isinstance(loaded, ConfigError)]
if broken:
    raise ConfigError("\n\nThese tenants have no working DAG until their files are corrected:\n\n" + "\n".join(broken))
