"""Names of environment variables: which of them steer a program or an identity, and how.

What is *reserved* no profile and no data role can set: it would run code before anything else does, take another
identity, or replace what the hub sets. What is *restricted* names programs, or places where programs look for
something, or is an unknown one of a family that is about programs. A policy adds names to it and takes names away
(`variables`), and says how severe it is (`rules.variables`).
"""

import re
from collections.abc import Container
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from allotment_profiles.model.base import cached
from allotment_profiles.model.problems import invalid, quoted
from allotment_profiles.model.values.texts import one_line

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_SECRET = re.compile(r"SECRET|PASSWORD|PASSWD|CREDENTIAL|PRIVATE_KEY|API_?KEY|TOKEN(?!IZE)")
_COUNT = re.compile(r"(MAX|MIN|NUM)_([A-Z]+_)?TOKENS")  # of a text


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _table(rows: dict[str, str]) -> dict[str, str]:
    """Return name → reason for a table of reason → names."""
    return {name: reason for reason, names in rows.items() for name in _names(names)}


# A name that ends with * is the beginning of names, one that begins with * their end.
_RESERVED = _table(
    {
        "makes the loader of programs load other code": """
            LD_* DYLD_* GLIBC_TUNABLES GCONV_PATH NLSPATH OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES""",
        "runs code when a program starts": """
            BASH_ENV BASH_FUNC_* BASHOPTS SHELLOPTS PROMPT_COMMAND PS0 PS1 PS2 PS4 IFS FPATH ZDOTDIR PYTHONSTARTUP
            PYTHONHOME PYTHONEXECUTABLE PYTHONBREAKPOINT PYTHONINSPECT PYTHONUSERBASE PYTHONPLATLIBDIR IPYTHONDIR
            R_HOME R_PROFILE R_PROFILE_USER R_ENVIRON R_ENVIRON_USER JULIA_BINDIR PERL5OPT PERL5DB R_TESTS LESS
            LESSKEY* LESSEDIT VIMINIT EXINIT MAKEFLAGS PYSPARK_SUBMIT_ARGS PYTHONPYCACHEPREFIX GIT_ALLOW_PROTOCOL
            RUBYOPT LUA_INIT* NODE_OPTIONS JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS LESSOPEN LESSCLOSE
            RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER GIT_SSH GIT_SSH_COMMAND GIT_PROXY_COMMAND GIT_EXTERNAL_DIFF
            GIT_EXEC_PATH GIT_TEMPLATE_DIR GIT_CONFIG* S6_*""",
        "is a credential, or says where one lies": """
            GIT_ASKPASS GIT_TRACE* SSH_ASKPASS SSH_AUTH_SOCK AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
            AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_WEB_IDENTITY_TOKEN_FILE AWS_CREDENTIAL_EXPIRATION
            AWS_SHARED_CREDENTIALS_FILE AWS_CONFIG_FILE AWS_PROFILE AWS_DEFAULT_PROFILE AWS_ROLE_ARN
            AWS_ROLE_SESSION_NAME AWS_CONTAINER_* AWS_EC2_METADATA_SERVICE_* AZURE_CLIENT_ID AZURE_CLIENT_SECRET
            AZURE_TENANT_ID AZURE_CLIENT_CERTIFICATE_PATH AZURE_FEDERATED_* AZURE_AUTHORITY_HOST AZURE_USERNAME
            AZURE_CONFIG_DIR AZURE_STORAGE_KEY AZURE_STORAGE_CONNECTION_STRING ARM_CLIENT_* ARM_TENANT_ID ARM_OIDC_*
            ARM_USE_* ARM_ACCESS_KEY GOOGLE_APPLICATION_CREDENTIALS GOOGLE_IMPERSONATE_* GOOGLE_GHA_CREDS_PATH
            CLOUDSDK_CONFIG CLOUDSDK_AUTH_* CLOUDSDK_CORE_ACCOUNT CLOUDSDK_PYTHON* OCI_CLI_* OCI_CONFIG_FILE
            BOTO_CONFIG IDENTITY_ENDPOINT IDENTITY_HEADER MSI_ENDPOINT MSI_SECRET KUBECONFIG KRB5CCNAME KRB5_CONFIG
            KRB5_KTNAME KRB5_CLIENT_KTNAME VAULT_TOKEN VAULT_CLIENT_* VAULT_SKIP_VERIFY PGPASSWORD PGPASSFILE
            PGSERVICEFILE PGSYSCONFDIR PGSSLCERT PGSSLKEY PGSSLROOTCERT DOCKER_HOST DOCKER_CONFIG DOCKER_CERT_PATH
            SSLKEYLOGFILE""",
        "says who somebody is": """
            HOME USER LOGNAME USERID GROUPID ROOT UMASK HOSTNAME PWD GRANT_SUDO SUDO_* CHOWN_* NB_* GIT_AUTHOR_*
            GIT_COMMITTER_*""",
        "turns protection off": """
            DISABLE_AUTH NODE_TLS_REJECT_UNAUTHORIZED PYTHONHTTPSVERIFY GIT_SSL_NO_VERIFY
            JUPYTER_ALLOW_INSECURE_WRITES""",
        "is set by the hub or the cluster": """
            ALLOTMENT_* JUPYTERHUB* JPY_* JUPYTER_CONFIG_* JUPYTER_RUNTIME_DIR JUPYTER_GATEWAY_* NOTEBOOK_ARGS
            CODE_ARGS JUPYTER_IMAGE* KUBERNETES_* CPU_LIMIT CPU_GUARANTEE MEM_LIMIT MEM_GUARANTEE
            NVIDIA_VISIBLE_DEVICES NVIDIA_MIG_* NVIDIA_IMEX_CHANNELS AMD_VISIBLE_DEVICES XDG_RUNTIME_DIR RSERVER_*
            RSESSION_* CODE_SERVER_* VSCODE_PROXY_URI VSCODE_IPC_* VSCODE_GIT_* VSCODE_AGENT_FOLDER""",
        "leads connections through another host": """
            *_PROXY CLOUDSDK_PROXY_* CLOUDSDK_API_ENDPOINT_OVERRIDES_* PGHOSTADDR GCE_METADATA_* HOSTALIASES
            LOCALDOMAIN RES_OPTIONS""",
    }
)  # fmt: skip
_RESTRICTED = _table(
    {
        "says where programs and libraries are looked for": """
            PATH CDPATH PYTHONPATH R_LIBS R_LIBS_USER R_LIBS_SITE JULIA_DEPOT_PATH JULIA_LOAD_PATH JULIA_PROJECT
            CLASSPATH SPARK_CLASSPATH SPARK_DIST_CLASSPATH SPARK_HOME JAVA_HOME PERL5LIB PERLLIB RUBYLIB GEM_HOME
            GEM_PATH NODE_PATH LUA_PATH LUA_CPATH LOCPATH GDAL_DRIVER_PATH GIO_EXTRA_MODULES GTK_MODULES
            QT_PLUGIN_PATH JUPYTER_PATH JUPYTER_DATA_DIR JUPYTERLAB_DIR VIRTUAL_ENV CONDA_PREFIX CONDA_EXE
            CONDA_ENVS_PATH CONDA_ENVS_DIRS CONDA_PKGS_DIRS MAMBA_ROOT_PREFIX MAMBA_EXE PYENV_ROOT CARGO_HOME
            RENV_PATHS_* XDG_DATA_HOME XDG_DATA_DIRS AWS_DATA_PATH GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
            GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES TMPDIR R_DEFAULT_PACKAGES PYTHONWARNINGS""",
        "says which programs others start": """
            SHELL BROWSER EDITOR VISUAL PAGER MANPAGER DISPLAY GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_PAGER R_BROWSER
            R_PDFVIEWER R_SHELL JULIA_EDITOR PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON RETICULATE_PYTHON QUARTO_PYTHON
            QUARTO_R RSTUDIO_WHICH_R UV_PYTHON DOCKER_STACKS_JUPYTER_CMD *_OPTS *_OPTIONS""",
        "says where programs read their settings": """
            INPUTRC WGETRC CURL_HOME NETRC HGRCPATH CONDARC MAMBARC PIP_CONFIG_FILE UV_CONFIG_FILE NPM_CONFIG_*
            TF_CLI_CONFIG_FILE TNS_ADMIN PSQLRC ODBCSYSINI ODBCINI MPLCONFIGDIR SPARK_CONF_DIR JUPYTER_NO_CONFIG
            JUPYTERLAB_SETTINGS_DIR XDG_CONFIG_HOME XDG_CONFIG_DIRS MAIL CULL_*""",
        "says where packages come from": """
            PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_FIND_LINKS UV_INDEX UV_INDEX_URL
            UV_EXTRA_INDEX_URL UV_DEFAULT_INDEX CONDA_CHANNELS JULIA_PKG_SERVER CARGO_REGISTRY_* CARGO_REGISTRIES_*""",
        "says whom programs trust, and where they send what they know": """
            REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS PIP_CERT AWS_CA_BUNDLE
            GIT_SSL_* AWS_ENDPOINT_URL* AWS_ENDPOINT AWS_S3_ENDPOINT STORAGE_EMULATOR_HOST VAULT_ADDR
            VAULT_AGENT_ADDR VAULT_CACERT* VAULT_CAPATH""",
    }
)  # fmt: skip
# These are about programs, and nobody knows all of their names: what is not ordinary has to be accepted.
_FAMILIES = _names("""
    ARM_ AWS_ AZURE_ CARGO_ CLOUDSDK_ CODE_ CONDA_ CURL_ DOCKER_ GCLOUD_ GCP_ GEM_ GIT_ GLIBC_ GOOGLE_ IPYTHON JAVA_
    JULIA_ JUPYTER KRB5 KUBE MALLOC_ MAMBA_ MPL NODE_ NOTEBOOK_ NPM_ NVIDIA_ OCI_ OPENSSL_ PERL PG PIP_ PYENV_
    PYSPARK_ PYTHON QUARTO_ RENV_ RETICULATE_ RSTUDIO_ RUBY R_ SPARK_ SSH_ SSL UV_ VAULT_ VSCODE_ XDG_""")
_ORDINARY = frozenset(
    _names("""
    AWS_ACCOUNT_ID AWS_DEFAULT_OUTPUT AWS_DEFAULT_REGION AWS_MAX_ATTEMPTS AWS_METADATA_SERVICE_NUM_ATTEMPTS
    AWS_METADATA_SERVICE_TIMEOUT AWS_NO_SIGN_REQUEST AWS_REGION AWS_REQUEST_PAYER AWS_RETRY_MODE AWS_S3_BUCKET
    AWS_SDK_LOAD_CONFIG AWS_STS_REGIONAL_ENDPOINTS AZURE_LOCATION AZURE_RESOURCE_GROUP AZURE_STORAGE_ACCOUNT
    AZURE_STORAGE_ACCOUNT_NAME AZURE_SUBSCRIPTION_ID CLOUDSDK_COMPUTE_REGION CLOUDSDK_COMPUTE_ZONE
    CLOUDSDK_CORE_PROJECT CONDA_DEFAULT_ENV CONDA_OVERRIDE_CUDA DOCKER_BUILDKIT GCP_PROJECT GCP_PROJECT_ID
    GCP_REGION GIT_BRANCH GIT_LFS_SKIP_SMUDGE GIT_PYTHON_REFRESH GIT_REPO GIT_REPO_URL GIT_TERMINAL_PROMPT
    GOOGLE_CLOUD_LOCATION GOOGLE_CLOUD_PROJECT GOOGLE_CLOUD_QUOTA_PROJECT GOOGLE_CLOUD_REGION JAVA_VERSION
    JULIA_CPU_THREADS JULIA_DEBUG JULIA_NUM_PRECOMPILE_TASKS JULIA_NUM_THREADS JULIA_PKG_PRECOMPILE_AUTO
    JUPYTER_ENABLE_LAB MALLOC_ARENA_MAX MALLOC_MMAP_THRESHOLD_ MALLOC_TRIM_THRESHOLD_ MPLBACKEND NODE_ENV
    NODE_VERSION NVIDIA_DISABLE_REQUIRE NVIDIA_DRIVER_CAPABILITIES NVIDIA_REQUIRE_CUDA NVIDIA_TF32_OVERRIDE
    PGAPPNAME PGCLIENTENCODING PGCONNECT_TIMEOUT PGDATABASE PGDATESTYLE PGHOST PGPORT PGTZ PGUSER
    PIP_DEFAULT_TIMEOUT PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_CACHE_DIR PYTHONASYNCIODEBUG PYTHONDONTWRITEBYTECODE
    PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONIOENCODING PYTHONMALLOC PYTHONNOUSERSITE PYTHONOPTIMIZE PYTHONSAFEPATH
    PYTHONTRACEMALLOC PYTHONUNBUFFERED PYTHONUTF8 PYTHON_SCRIPT_NAME PYTHON_VERSION QUARTO_VERSION RSTUDIO_VERSION
    R_COMPILE_PKGS R_CONFIG_ACTIVE R_ENABLE_JIT R_KEEP_PKG_SOURCE R_MAX_NUM_DLLS R_MAX_VSIZE R_PAPERSIZE
    SPARK_DRIVER_MEMORY SPARK_EXECUTOR_CORES SPARK_EXECUTOR_MEMORY SPARK_LOCAL_DIRS SPARK_LOCAL_IP SPARK_VERSION
    SPARK_WORKER_CORES SPARK_WORKER_MEMORY UV_CACHE_DIR UV_COMPILE_BYTECODE UV_LINK_MODE VAULT_NAMESPACE
    XDG_CACHE_HOME""")
)
_ORDINARY_PREFIXES = ("AWS_ATHENA_",)
_FAMILY = "is of a family of names of which some steer programs"
# What starts a shell with it runs the file that it names, and what its value says.
_HARMFUL_ENV = re.compile(r"[$`/]")


def _reason(name: str, table: dict[str, str]) -> str | None:
    """Return why a table has a name, in whatever case it is written, or None."""
    upper = name.upper()
    if upper in table:
        return table[upper]
    parts = ((f"{upper[:end]}*", f"*{upper[-end:]}") for end in range(len(upper), 1, -1))
    return next((table[pattern] for pair in parts for pattern in pair if pattern in table), None)


def restriction(name: str, restricted: Container[str], allowed: Container[str]) -> str | None:
    """Return what a variable does that an administrator has to accept, or None.

    `restricted` and `allowed` are the names that the policy adds and takes away; a name in both is restricted.
    """
    if name in restricted:
        return "is restricted by the policy"
    return None if name in allowed else _restricted(name)


def _restricted(name: str) -> str | None:
    upper = name.upper()
    if reason := _reason(name, _RESTRICTED):
        return reason
    ordinary = upper in _ORDINARY or upper.startswith(_ORDINARY_PREFIXES)
    return _FAMILY if upper.startswith(_FAMILIES) and not ordinary else None


def check_values(environment: dict[str, str]) -> dict[str, str]:
    """Refuse a value of `ENV` that a shell would run: most profiles mean `prod` or `test`."""
    if any(name.upper() == "ENV" and _HARMFUL_ENV.search(value) for name, value in environment.items()):
        raise invalid("environment-forbidden", "A shell runs what ENV names.", "Use letters, digits and hyphens.")
    return environment


def _binding_variable(value: object) -> str:
    name = _name(value)
    if reason := _reason(name, _RESERVED) or _restricted(name):
        raise _forbidden(name, reason)
    return name


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        remedy = "Use letters, digits and underscores."
        raise invalid("environment-name", f"{quoted(value)} is not the name of a variable.", remedy)
    return value


def _forbidden(name: str, reason: str) -> Exception:
    remedy = "Choose another name, or put the setting into the image."
    return invalid("environment-forbidden", f"{name} {reason}. A file cannot set it.", remedy)


def _variable(value: object) -> str:
    name = _name(value)
    if reason := _reason(name, _RESERVED):
        raise _forbidden(name, reason)
    if _SECRET.search(_COUNT.sub("", name.upper())):
        remedy = "Put secrets into a data role's binding."
        raise invalid("environment-secret", f"{name} looks like a secret, and everyone can read a profile.", remedy)
    return name


def _variable_value(value: object) -> str:
    if not isinstance(value, str):
        what = "a number, not text" if isinstance(value, int | float) and not isinstance(value, bool) else "not text"
        raise invalid("environment-value", f"{quoted(value)} is {what}.", "Put the value in quotation marks.")
    return one_line(value)


VariableName = Annotated[str, BeforeValidator(cached(_name)), WithJsonSchema({"type": "string"})]
"""Any variable."""
Variable = Annotated[str, BeforeValidator(cached(_variable)), WithJsonSchema({"type": "string"})]
"""A variable that a profile may set, as far as one file can tell."""
BindingVariable = Annotated[str, BeforeValidator(cached(_binding_variable)), WithJsonSchema({"type": "string"})]
"""A variable that a data role may fill from its Secret."""
VariableValue = Annotated[str, Field(max_length=4096), BeforeValidator(_variable_value)]
