"""Client partitions for a federation: who holds what, subjects and clusters whole.

Samples of train and val get a client (`client-01`, …) by one rule, so that a client's validation
data are like its training data; the server's public part (`public`) is taken out of train before;
samples of test belong to no client and are the federation's common test set.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import groupby

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.options.clients import Clients
from medfm_cli.commands.curate.split.client_summary import PUBLIC, Client, Partitioned
from medfm_cli.commands.curate.split.dirichlet import dirichlet
from medfm_cli.commands.curate.split.groups import draw, form_groups
from medfm_cli.commands.curate.split.strata import Shares, Trait, common_labels, labels_of
from medfm_cli.commands.curate.split.stratified import assign, fixed, read_groups
from medfm_cli.errors import DataError

__all__ = ["Partitioned", "partition"]

TRAIN, VAL, TEST, PUBLIC_POOL, DONE = 1, 2, 3, 4, 5
"""Values of `members.side` here: what is to be dealt with train, with val, not, or already is."""
COMBINED = 100
"""From here on: pools of groups with the same modalities."""
MOST_DRAWN = 200
"""The commonest labels decide whether skewed shares are drawn again."""
TRIES = 100
"""How often skewed shares are drawn until every client can expect enough samples."""


def partition(catalog: Catalog, options: Clients, *, seed: int) -> Partitioned:
    """Set `items.client` of every kept sample of train and val.

    Args:
        catalog: split.
        options: how the clients differ.
        seed: of the draws and of the order in which groups are dealt.

    Raises:
        DataError: there are too few groups, sites or modalities for it.
    """
    done = Partitioned(options.scheme)
    catalog.execute("UPDATE items SET client = ''")
    if options.public:
        _take_public(catalog, options.public, seed=seed)
    _pools(catalog, sites=options.scheme == "site")
    if options.scheme == "site":
        count = _by_site(catalog, options, seed=seed)
    elif options.scheme == "modality":
        count = _by_modality(catalog, options, done, seed=seed)
    else:
        count = _by_shares(catalog, options, done, seed=seed)
    width = max(2, len(str(count)))
    names = [f"client-{number:0{width}d}" for number in range(1, count + 1)]
    _write(catalog, names)
    _count(catalog, done, names)
    done.few = [c.name for c in done.clients if c.train < options.min_samples]
    return done


def _take_public(catalog: Catalog, share: float, *, seed: int) -> None:
    """Give the server its part of train."""
    _pools(catalog, sites=False)
    total = catalog.one("SELECT count(*) FROM members")
    train = catalog.one("SELECT count(*) FROM members WHERE side = ?", TRAIN)
    if share * total >= train:
        raise DataError(
            f"clients.public requests {share:.0%} of all samples, and train has no more than that",
            hint="make split.train larger or clients.public smaller",
        )
    part = share * total / train
    sides = assign(catalog, fixed((1 - part, part)), seed=seed, pool=TRAIN)
    _place(catalog, sides, TRAIN)
    catalog.execute(
        "UPDATE items SET client = ? WHERE id IN (SELECT item FROM members WHERE place = 2)", PUBLIC
    )


def _pools(catalog: Catalog, *, sites: bool) -> None:
    """Form groups; those with any sample in train are dealt with train, others of val with val."""
    form_groups(catalog, sites=sites)
    catalog.execute(
        "UPDATE members SET side = (SELECT CASE WHEN client = ? THEN ? WHEN split = 'train' THEN ? "
        "WHEN split = 'val' THEN ? ELSE ? END FROM items WHERE id = item)",
        *(PUBLIC, PUBLIC_POOL, TRAIN, VAL, TEST),
    )
    catalog.execute(
        "UPDATE members SET side = ? WHERE side = ? AND grp IN "
        "(SELECT grp FROM members WHERE side = ?)",
        *(TRAIN, VAL, TRAIN),
    )


def _place(
    catalog: Catalog, sides: array[int], pool: int, *, clients: Sequence[int] | None = None
) -> None:
    """Write to `members.place` the number (from 1) of the client that a pool's groups go to."""

    def place_of(group: int) -> int:
        return 1 + (clients[sides[group]] if clients else sides[group])

    catalog.db.create_function("place_of", 1, place_of, deterministic=True)
    catalog.execute("UPDATE members SET place = place_of(grp), side = ? WHERE side = ?", DONE, pool)


def _by_shares(catalog: Catalog, options: Clients, done: Partitioned, *, seed: int) -> int:
    """Alike, or skewed in labels or sizes."""
    count = options.count or 1
    groups = catalog.one("SELECT count(DISTINCT grp) FROM members WHERE side = ?", TRAIN)
    if groups < count:
        raise DataError(
            f"{count} clients need as many subjects in train, and there are {groups}",
            hint="ask for fewer clients",
        )
    skewed = options.scheme == "dirichlet"
    shares: Shares = fixed(_sizes(options, count, seed))
    if skewed:
        shares = _Skew(options, count, seed)
    for pool in (TRAIN, VAL):
        sides = assign(catalog, shares, seed=seed, pool=pool, skewed=skewed)
        if pool == TRAIN:
            done.repaired = _repair(catalog, sides, count, options.min_samples)
        _place(catalog, sides, pool)
    return count


def _sizes(options: Clients, count: int, seed: int) -> list[float]:
    """The share of each client in everything."""
    if options.scheme != "quantity":
        return [1 / count] * count
    if options.exponent is not None:
        weights = [number**-options.exponent for number in range(1, count + 1)]
        return [weight / sum(weights) for weight in weights]
    return dirichlet(options.alpha, count, seed=seed, name="sizes")


class _Skew:
    """Shares of every label from a Dirichlet distribution, the same for train and val.

    They are drawn again (from the next name) until every client can expect its least number of
    samples, or the best of `TRIES` is taken, which `_repair` then mends.
    """

    def __init__(self, options: Clients, count: int, seed: int) -> None:
        self.options, self.count, self.seed = options, count, seed
        self.chosen: int | None = None

    def __call__(self, traits: Sequence[Trait]) -> list[list[float]]:
        labels = traits[1:]
        if self.chosen is None:
            self.chosen = self._choose(labels[:MOST_DRAWN])
        drawn = [self._draw(trait, self.chosen) for trait in labels]
        expected = self._expected(labels, self.chosen)
        total = sum(expected)
        whole = [part / total for part in expected] if total else [1 / self.count] * self.count
        return [whole, *drawn]

    def _choose(self, labels: Sequence[Trait]) -> int:
        best, chosen = -1.0, 0
        for number in range(TRIES):
            least = min(self._expected(labels, number))
            if least > best:
                best, chosen = least, number
            if best >= self.options.min_samples:
                break
        return chosen

    def _expected(self, labels: Sequence[Trait], number: int) -> list[float]:
        drawn = [(trait.total, self._draw(trait, number)) for trait in labels]
        return [sum(total * shares[i] for total, shares in drawn) for i in range(self.count)]

    def _draw(self, trait: Trait, number: int) -> list[float]:
        name = f"{number} {trait.what} {trait.name}"
        return dirichlet(self.options.alpha, self.count, seed=self.seed, name=name)


def _repair(catalog: Catalog, sides: array[int], count: int, least: int) -> int:
    """Give clients with too few samples the smallest groups of others; how many groups moved.

    Raises:
        DataError: it cannot be done.
    """
    sizes = [0] * count
    for group in read_groups(catalog, "size, draw"):
        sizes[sides[group.number]] += group.size
    moved, before = 0, -1
    while min(sizes) < least and moved > before:
        before = moved
        for group in read_groups(catalog, "size, draw"):
            needy = min(range(count), key=sizes.__getitem__)
            giver = sides[group.number]
            if sizes[needy] >= least:
                break
            if sizes[giver] - group.size >= least:
                sizes[giver] -= group.size
                sizes[needy] += group.size
                sides[group.number] = needy
                moved += 1
    if min(sizes) < least:
        raise DataError(
            f"{count} clients of at least {least} training samples each cannot be made of "
            f"{sum(sizes)} samples whose subjects stay whole",
            hint="ask for fewer clients, or set clients.min_samples lower",
        )
    return moved


def _by_site(catalog: Catalog, options: Clients, *, seed: int) -> int:
    """Whole sites: one client each, or dealt to `count` clients; the siteless are dealt after."""
    sites = "SELECT DISTINCT grp FROM members WHERE site <> '' AND side IN (1, 2) ORDER BY grp"
    found = [row[0] for row in catalog.rows(sites)]
    if not found:
        raise DataError(
            "clients are to be sites, and no sample has one",
            hint="name the column with the site, or choose another scheme",
        )
    count = options.count or len(found)
    if count > len(found):
        raise DataError(
            f"{count} clients are to be whole sites, and there are {len(found)} sites",
            hint="ask for fewer, or say clients.count=null for one client a site",
        )
    catalog.execute("UPDATE members SET side = ? WHERE side = ?", TRAIN, VAL)
    if options.count is None:
        number = {group: place for place, group in enumerate(found, 1)}
        catalog.db.create_function("site_of", 1, lambda group: number.get(group, 0))
        catalog.execute(
            "UPDATE members SET place = site_of(grp), side = ? WHERE side = ? AND site_of(grp) > 0",
            *(DONE, TRAIN),
        )
    else:
        catalog.execute(
            "UPDATE members SET side = ? WHERE side = ? AND grp IN "
            "(SELECT grp FROM members WHERE site <> '')",
            *(VAL, TRAIN),  # the pool of those with a site, for a while
        )
        _place(catalog, assign(catalog, fixed([1 / count] * count), seed=seed, pool=VAL), VAL)
    _place(catalog, assign(catalog, fixed([1 / count] * count), seed=seed, pool=TRAIN), TRAIN)
    return count


def _by_modality(catalog: Catalog, options: Clients, done: Partitioned, *, seed: int) -> int:
    """Every client lacks some modalities; a group goes to clients that have all of its own."""
    count = options.count or 1
    combined = _combine(catalog)
    names = sorted({name for names in combined for name in names})
    if len(names) < 2:
        raise DataError(
            "clients are to lack modalities, and the samples have fewer than two",
            hint="choose another scheme",
        )
    has = _holdings(names, count, options.missing, seed)
    for number, own in enumerate(combined):
        lacks = [len(own - held) for held in has]
        able = [client for client in range(count) if lacks[client] == min(lacks)]
        for pool in (COMBINED + 2 * number, COMBINED + 2 * number + 1):
            sides = assign(catalog, fixed([1 / len(able)] * len(able)), seed=seed, pool=pool)
            if min(lacks):
                sql = "SELECT count(*) FROM members WHERE side = ?"
                done.against += catalog.one(sql, pool)
            _place(catalog, sides, pool, clients=able)
    done.lacking = [sorted(set(names) - held) for held in has]
    return count


def _combine(catalog: Catalog) -> list[set[str]]:
    """Make one pool of the groups with the same modalities (for train and for val each).

    A sample without a modality counts as one of its kind.
    """
    found: dict[tuple[str, ...], int] = {}
    pools = array("l", [0]) * ((catalog.one("SELECT max(grp) FROM members") or 0) + 1)
    rows = catalog.rows(
        "SELECT DISTINCT grp, side, coalesce(nullif(modality, ''), kind) AS what FROM members "
        "WHERE side IN (1, 2) ORDER BY grp, what"
    )
    for (group, side), its in groupby(rows, key=lambda row: (row[0], row[1])):
        number = found.setdefault(tuple(row[2] for row in its), len(found))
        pools[group] = COMBINED + 2 * number + (side == VAL)
    catalog.db.create_function("pool_of", 1, pools.__getitem__, deterministic=True)
    catalog.execute("UPDATE members SET side = pool_of(grp) WHERE side IN (1, 2)")
    return [set(names) for names in found]


def _holdings(names: Sequence[str], count: int, missing: float, seed: int) -> list[set[str]]:
    """Which modalities each client has: as many each, and each modality at some client."""
    order = sorted(names, key=lambda name: draw(name, seed))
    each = max(1, len(order) - round(missing * len(order)), -(-len(order) // count))
    return [{order[(i * each + j) % len(order)] for j in range(each)} for i in range(count)]


def _write(catalog: Catalog, names: Sequence[str]) -> None:
    name_of: Callable[[int], str] = lambda place: names[place - 1]  # noqa: E731
    catalog.db.create_function("client_of", 1, name_of, deterministic=True)
    catalog.execute(
        "UPDATE items SET client = (SELECT client_of(place) FROM members WHERE item = id) "
        "WHERE fate = 'kept' AND client = '' AND split IN ('train', 'val')"
    )


def _count(catalog: Catalog, done: Partitioned, names: Sequence[str]) -> None:
    """Count what everybody has."""
    clients = {name: Client(name) for name in (*names, PUBLIC)}
    common = common_labels(catalog)
    sql = (
        "SELECT client, split, label, labels, coalesce(nullif(modality, ''), kind), count(*) "
        "FROM items WHERE fate = 'kept' AND client <> '' GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3"
    )
    for name, split, label, labels, modality, count in catalog.rows(sql):
        client = clients[name]
        client.train += count if split == "train" else 0
        client.val += count if split == "val" else 0
        client.modalities[modality] += count
        for what in labels_of(label, labels) or ():
            if what in common:
                client.labels[what] += count
    for name, subjects, sites in catalog.rows(
        "SELECT client, count(DISTINCT subject), count(DISTINCT nullif(site, '')) FROM items "
        "WHERE fate = 'kept' AND client <> '' GROUP BY client"
    ):
        clients[name].subjects, clients[name].sites = subjects, sites
    done.clients = [clients[name] for name in names]
    done.public = clients[PUBLIC]
