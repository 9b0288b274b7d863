"""The service: builds everything once from the configuration, and serves."""

import asyncio
import datetime as dt
import functools
import gc
import importlib.metadata
import logging
import signal
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubOAuth
from tornado.httpserver import HTTPServer
from tornado.web import RequestHandler

from allotment_hub.api.openapi import HANDLERS, OpenApiHandler, pattern
from allotment_hub.api.platform import UnknownHandler
from allotment_hub.configuration import ForgeConfiguration, ServiceConfiguration
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.pull_requests.connecting import connect
from allotment_hub.http.application import MAXIMUM_DISCARDED, ServiceApplication
from allotment_hub.http.handler import Services
from allotment_hub.http.hub_auth import ServiceAuth
from allotment_hub.http.one_time import OneTimeTokens
from allotment_hub.http.request_limit import RequestLimit
from allotment_hub.http.secured import SecuredStatic
from allotment_hub.nodes.kubernetes import ImageDaemonSet
from allotment_hub.pages.page import SignInCallback
from allotment_hub.pages.rendering import prepare_templates
from allotment_hub.pages.routes import PAGES
from allotment_hub.services.browse.data_roles import DataRoles
from allotment_hub.services.browse.history import History
from allotment_hub.services.browse.own_session import OwnSessions
from allotment_hub.services.browse.profiles import Profiles
from allotment_hub.services.browse.teams import Teams
from allotment_hub.services.drafts.assistant_drafts import AssistantDrafts
from allotment_hub.services.drafts.draft_store import DraftStore
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.hub_api import Directory, HubNotifier, hub_api_client
from allotment_hub.services.identities import Identities
from allotment_hub.services.image_puller import ImagePuller
from allotment_hub.services.judging.checking import ChangeChecker
from allotment_hub.services.judging.judges import Judges
from allotment_hub.services.merging import ApprovedMerges
from allotment_hub.services.notifications.addresses import Addresses
from allotment_hub.services.notifications.choices import Choices
from allotment_hub.services.notifications.notifier import Notifier
from allotment_hub.services.notifications.outbox import Outbox
from allotment_hub.services.notifications.sending import Sender
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import Submissions
from allotment_hub.services.proposals.reviewing import Reviews
from allotment_hub.services.pull_requests.following import Following, Windows
from allotment_hub.services.pull_requests.mirroring import PullRequests
from allotment_hub.services.pull_requests.showing import ForgePlace
from allotment_hub.services.quarantine import Quarantine
from allotment_hub.services.sign_ins import SignIns
from allotment_hub.services.stops import Stops
from allotment_hub.services.trials.following import TrialFollower
from allotment_hub.services.trials.hub_trials import HubTrials
from allotment_hub.services.trials.trying import Trials
from allotment_hub.services.waiting import WaitingNumbers
from allotment_profiles.access import deployments
from allotment_profiles.events import Events
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.remotes import Remote
from allotment_profiles.git.repository import Repository
from allotment_profiles.git.signatures import Keyring
from allotment_profiles.store.watcher import CatalogWatcher

log = logging.getLogger("allotment")

# How long the hub's answer about a token is cached for reading. Requests that change something always ask the hub.
TOKEN_SECONDS = 15


def build_services(configuration: ServiceConfiguration, auth: HubOAuth) -> Services:
    """Build what the handlers call. Call inside the running event loop."""
    keyring = Keyring(configuration.allowed_signers)
    mirror = _mirror(configuration, keyring)
    repository = mirror.repository if mirror else Repository(configuration.repository, keyring.verifier)
    hub = hub_api_client(auth.api_url, auth.api_token)
    directory, sign_ins, identities = Directory(hub), SignIns(hub), Identities(hub)
    puller = configuration.puller
    image_puller = ImagePuller(ImageDaemonSet(puller), puller.maximum, puller.look_seconds) if puller else None
    on_change = [*([HubNotifier(hub).notify] if mirror else []), *([image_puller.follow] if image_puller else [])]
    watcher = CatalogWatcher(
        repository,
        configuration.poll_seconds,
        configuration.cache,
        mirror=mirror,
        fetch_seconds=configuration.fetch_seconds,
        upkeep=True,
        keyring=keyring,
        on_change=on_change,
    )
    judges = Judges()
    checking = ChangeChecker(watcher.tracker, functools.partial(dt.datetime.now, dt.UTC), judges)
    kept = PlainGitForge(repository, keyring.signer(configuration.signing_key), mirror, configuration.records_index)
    kept.merged_branches_stay = configuration.forge is not None
    on_cluster = configuration.deployment == "kubernetes"
    capabilities = deployments.cluster if on_cluster else deployments.laptop
    events = EventReader(Events(configuration.events))
    proposals = Proposals(kept, checking, directory, watcher, events)
    quarantine = Quarantine(kept, checking, watcher, directory, sign_ins, identities)
    forge, choices, drafts = configuration.forge, Choices(configuration.choices), DraftStore(configuration.drafts)
    submissions = Submissions(proposals, checking)
    reviews = Reviews(proposals, watcher, sign_ins, identities)
    decide = proposals, submissions, reviews, identities
    return Services(
        configuration=configuration,
        watcher=watcher,
        judges=judges,
        directory=directory,
        identities=identities,
        profiles=Profiles(watcher, directory, kept, capabilities),
        teams=Teams(watcher, kept),
        data_roles=DataRoles(watcher, directory, kept),
        own_sessions=OwnSessions(watcher, hub, capabilities, events, runs_images=on_cluster),
        history=History(repository, watcher, kept),
        proposals=proposals,
        submissions=submissions,
        assistant_drafts=AssistantDrafts(drafts, proposals, submissions, checking.now),
        reviews=reviews,
        quarantine=quarantine,
        stops=Stops(watcher, hub),
        trials=Trials(proposals, submissions, directory, HubTrials(hub), capabilities),
        waiting=WaitingNumbers(proposals, quarantine),
        choices=choices,
        notifier=_notifier(configuration, proposals, checking, events, directory, choices),
        sign_ins=sign_ins,
        image_puller=image_puller,
        pull_requests=_pull_requests(configuration, forge, *decide) if forge else None,
        one_time_tokens=OneTimeTokens(),
        request_limit=RequestLimit(),
    )


def _mirror(configuration: ServiceConfiguration, keyring: Keyring) -> Mirror | None:
    server = configuration.remote
    # Without the keys of another version, which the file may have.
    remote = Remote(**server.model_dump(include=set(type(server).model_fields))) if server else None
    return Mirror.opened(configuration.repository, remote, keyring.verifier) if remote else None


def _pull_requests(
    configuration: ServiceConfiguration,
    forge: ForgeConfiguration,
    proposals: Proposals,
    submissions: Submissions,
    reviews: Reviews,
    identities: Identities,
) -> PullRequests:
    names = {"kind", "url", "repository", "token_file", "app_id", "app_key_file", "ca_file", "plain_http"}
    connected = connect(**forge.model_dump(include=names))
    pages = f"{configuration.public_url.rstrip('/')}/services/allotment/proposals/"
    place = ForgePlace(forge.kind, urlsplit(forge.url).netloc, pages, forge.repository)
    decide, state = (proposals, submissions, reviews, identities), configuration.pull_requests_state
    windows = Windows.built(connected, *decide, place, state)
    return PullRequests(Following(connected, proposals, windows), proposals, forge.poll_seconds)


def _notifier(
    configuration: ServiceConfiguration,
    proposals: Proposals,
    checking: ChangeChecker,
    events: EventReader,
    directory: Directory,
    choices: Choices,
) -> Notifier | None:
    told = configuration.notifications
    if told is None:
        return None
    addresses = Addresses(told.addresses_file, told.email)
    proposals.channels = addresses.read_channels
    root = f"{configuration.public_url.rstrip('/')}/services/allotment/"
    outbox = Outbox(configuration.outbox)
    sender = Sender(
        outbox, choices, addresses, proposals, directory, root, checking.now, gather_seconds=told.gather_seconds
    )
    return Notifier(proposals, checking, events, outbox, sender)


def build_application(services: Services, auth: HubOAuth, **settings: Any) -> ServiceApplication:
    """Build the web application below the service's prefix."""
    prefix = str(auth.oauth_redirect_uri).removesuffix("oauth_callback")
    arguments = {"services": services}
    static = {"path": str(Path(__file__).parent / "static")}
    return ServiceApplication(
        [
            (prefix + "oauth_callback", SignInCallback, arguments),
            (prefix + r"static/(.*)", SecuredStatic, static),
            (prefix + "api/v1/openapi.json", OpenApiHandler, arguments),
            *((prefix + "api/v1/" + pattern(path), handler, arguments) for path, handler in HANDLERS.items()),
            (prefix + "api/.*", UnknownHandler, arguments),
            *((prefix + page, handler, arguments) for page, handler in PAGES),
        ],
        hub_auth=auth,
        cookie_secret=auth.api_token,
        log_function=log_request,
        version=importlib.metadata.version("allotment"),
        **settings,
    )


def log_request(handler: RequestHandler) -> None:
    """Log a request without its query, which may contain sign-in codes."""
    level = logging.INFO if handler.get_status() < 500 else logging.ERROR
    milliseconds = 1000 * handler.request.request_time()
    log.log(level, "%d %s %s %.0f ms", handler.get_status(), handler.request.method, handler.request.path, milliseconds)


async def serve(configuration: ServiceConfiguration) -> None:
    """Serve until SIGTERM or SIGINT."""
    auth = ServiceAuth.instance(cache_max_age=TOKEN_SECONDS)
    services = build_services(configuration, auth)
    prepare_templates()
    gc.freeze()  # a run of the garbage collector over all modules would stop the event loop for 0.2 s
    server = HTTPServer(build_application(services, auth), xheaders=True, max_body_size=MAXIMUM_DISCARDED)
    server.listen(configuration.port, configuration.address)
    if services.image_puller:
        services.image_puller.start()
    services.watcher.start()
    merges = ApprovedMerges(services.proposals, services.reviews)
    merges.start()
    trials = TrialFollower(services.proposals, services.submissions, services.trials)
    services.trials.on_start = trials.trigger
    trials.start()
    threading.Thread(target=services.proposals.forge.begin, daemon=True).start()
    if services.pull_requests:
        services.pull_requests.start()
    if services.notifier:
        services.notifier.start()
    log.info("serving on %s:%d", configuration.address, configuration.port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    server.stop()
    await server.close_all_connections()
    await merges.stop()
    await trials.stop()
    services.judges.close()
    if services.notifier:
        await services.notifier.stop()
    services.choices.close()
    services.assistant_drafts.close()
    if services.pull_requests:
        await services.pull_requests.stop()
    await services.watcher.stop()
    services.proposals.forge.close()
    if services.image_puller:
        await services.image_puller.stop()
    await services.directory.close()
