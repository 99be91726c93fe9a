"""Holds a CycloneDX 1.6 document against the schema of the specification: validate.py FILE. Needs cyclonedx-python-lib[json-validation]."""

import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(pathlib.Path(sys.argv[1]).read_text())
sys.exit(f"{sys.argv[1]}: invalid CycloneDX 1.6: {error.data.json_path}: {error.data.message}" if error else 0)
