"""The words of the controlled corpus: plain tables, English with German."""

from typing import NamedTuple


class Noun(NamedTuple):
    """A noun. The first letter of `classes` is its kind: h human, a animal, t thing, e event.

    Other letters say what can be done with it: see `CLASSES`. `weak` nouns take -(e)n outside the nominative.
    `place` is (English preposition, German preposition) of a place, `goal` the same of a direction.
    """

    english: str
    plural: str
    gender: str
    german: str
    german_plural: str
    classes: str
    weak: str = ""
    genitive: str = ""
    place: tuple[str, str] | None = None
    goal: tuple[str, str] | None = None


class Verb(NamedTuple):
    """A verb: English "base past participle", German "infinitive present past participle" (or a weak infinitive).

    A bar in the German infinitive follows a separable prefix. `particle` are the English words after the verb; with
    `shift` a pronoun stands between. `frame` is what it takes (see `FRAMES`), `subject` and `object` noun classes.
    """

    english: str
    german: str
    frame: str
    subject: str = "h"
    object: str = ""
    particle: str = ""
    shift: bool = False
    auxiliary: str = "haben"
    stative: bool = False
    preposition: tuple[str, str, str] = ("", "", "")  # English, German, case
    reflexive: bool = False


class Adjective(NamedTuple):
    """An adjective: kinds of noun that it fits, German predicative form, stem before endings, comparatives."""

    english: str
    german: str
    kinds: str
    comparative: str = ""
    german_comparative: str = ""
    stem: str = ""


CLASSES = {
    "b": "readable", "f": "food", "d": "drink", "u": "stands when put", "l": "lies when put", "s": "has a surface",
    "r": "place", "x": "can be opened", "m": "can be switched on", "c": "can be carried and bought", "e": "event",
    "i": "sight", "g": "picture", "q": "wall or fence", "y": "vehicle", "p": "plant", "w": "worn", "k": "clothes", "o": "place to come from", "0": "mass noun",
}  # fmt: skip
FRAMES = {
    "none": "nothing", "accusative": "direct object", "dative": "dative object", "two": "dative and direct object",
    "preposition": "prepositional object", "place": "place", "goal": "direction", "put": "direct object and direction",
    "that": "clause with that", "whether": "clause with whether", "infinitive": "infinitive with to",
}  # fmt: skip

IN, ON, AT = ("in", "in"), ("on", "auf"), ("at", "an")
INTO, ONTO, TO = ("into", "in"), ("onto", "auf"), ("to", "zu")

NOUNS = (
    Noun("man", "men", "m", "Mann", "Männer", "h"),
    Noun("woman", "women", "f", "Frau", "Frauen", "h"),
    Noun("boy", "boys", "m", "Junge", "Jungen", "h", weak="Jungen"),
    Noun("girl", "girls", "n", "Mädchen", "Mädchen", "h"),
    Noun("child", "children", "n", "Kind", "Kinder", "h"),
    Noun("baby", "babies", "n", "Baby", "Babys", "h"),
    Noun("teacher", "teachers", "m", "Lehrer", "Lehrer", "h"),
    Noun("doctor", "doctors", "m", "Arzt", "Ärzte", "h"),
    Noun("student", "students", "m", "Student", "Studenten", "h", weak="Studenten"),
    Noun("neighbour", "neighbours", "m", "Nachbar", "Nachbarn", "h", weak="Nachbarn"),
    Noun("farmer", "farmers", "m", "Bauer", "Bauern", "h", weak="Bauern"),
    Noun("friend", "friends", "m", "Freund", "Freunde", "h"),
    Noun("mother", "mothers", "f", "Mutter", "Mütter", "h"),
    Noun("father", "fathers", "m", "Vater", "Väter", "h"),
    Noun("brother", "brothers", "m", "Bruder", "Brüder", "h"),
    Noun("sister", "sisters", "f", "Schwester", "Schwestern", "h"),
    Noun("daughter", "daughters", "f", "Tochter", "Töchter", "h"),
    Noun("son", "sons", "m", "Sohn", "Söhne", "h"),
    Noun("aunt", "aunts", "f", "Tante", "Tanten", "h"),
    Noun("uncle", "uncles", "m", "Onkel", "Onkel", "h"),
    Noun("grandmother", "grandmothers", "f", "Großmutter", "Großmütter", "h"),
    Noun("baker", "bakers", "m", "Bäcker", "Bäcker", "h"),
    Noun("queen", "queens", "f", "Königin", "Königinnen", "h"),
    Noun("king", "kings", "m", "König", "Könige", "h"),
    Noun("judge", "judges", "m", "Richter", "Richter", "h"),
    Noun("painter", "painters", "m", "Maler", "Maler", "h"),
    Noun("nurse", "nurses", "f", "Krankenschwester", "Krankenschwestern", "h"),
    Noun("actress", "actresses", "f", "Schauspielerin", "Schauspielerinnen", "h"),
    Noun("guest", "guests", "m", "Gast", "Gäste", "h"),
    Noun("tourist", "tourists", "m", "Tourist", "Touristen", "h", weak="Touristen"),
    Noun("customer", "customers", "m", "Kunde", "Kunden", "h", weak="Kunden"),
    Noun("colleague", "colleagues", "m", "Kollege", "Kollegen", "h", weak="Kollegen"),
    Noun("lawyer", "lawyers", "m", "Anwalt", "Anwälte", "h"),
    Noun("dog", "dogs", "m", "Hund", "Hunde", "ac"),
    Noun("cat", "cats", "f", "Katze", "Katzen", "ac"),
    Noun("horse", "horses", "n", "Pferd", "Pferde", "a"),
    Noun("bird", "birds", "m", "Vogel", "Vögel", "ac"),
    Noun("cow", "cows", "f", "Kuh", "Kühe", "a"),
    Noun("mouse", "mice", "f", "Maus", "Mäuse", "ac"),
    Noun("bear", "bears", "m", "Bär", "Bären", "a", weak="Bären"),
    Noun("lion", "lions", "m", "Löwe", "Löwen", "a", weak="Löwen"),
    Noun("monkey", "monkeys", "m", "Affe", "Affen", "a", weak="Affen"),
    Noun("duck", "ducks", "f", "Ente", "Enten", "ac"),
    Noun("rabbit", "rabbits", "n", "Kaninchen", "Kaninchen", "ac"),
    Noun("book", "books", "n", "Buch", "Bücher", "tbcl"),
    Noun("letter", "letters", "m", "Brief", "Briefe", "tbcl"),
    Noun("newspaper", "newspapers", "f", "Zeitung", "Zeitungen", "tbcl"),
    Noun("map", "maps", "f", "Karte", "Karten", "tbcl"),
    Noun("picture", "pictures", "n", "Bild", "Bilder", "tcgl"),
    Noun("portrait", "portraits", "n", "Porträt", "Porträts", "tcg"),
    Noun("coat", "coats", "m", "Mantel", "Mäntel", "tclwk"),
    Noun("hat", "hats", "m", "Hut", "Hüte", "tclw"),
    Noun("jacket", "jackets", "f", "Jacke", "Jacken", "tclwk"),
    Noun("shirt", "shirts", "n", "Hemd", "Hemden", "tclwk"),
    Noun("key", "keys", "m", "Schlüssel", "Schlüssel", "tcl"),
    Noun("knife", "knives", "n", "Messer", "Messer", "tcl"),
    Noun("spoon", "spoons", "m", "Löffel", "Löffel", "tcl"),
    Noun("bottle", "bottles", "f", "Flasche", "Flaschen", "tcux"),
    Noun("glass", "glasses", "n", "Glas", "Gläser", "tcu"),
    Noun("cup", "cups", "f", "Tasse", "Tassen", "tcu"),
    Noun("vase", "vases", "f", "Vase", "Vasen", "tcu"),
    Noun("plate", "plates", "m", "Teller", "Teller", "tcu"),
    Noun("chair", "chairs", "m", "Stuhl", "Stühle", "tcus", place=ON, goal=ONTO),
    Noun("lamp", "lamps", "f", "Lampe", "Lampen", "tcum"),
    Noun("radio", "radios", "n", "Radio", "Radios", "tcum"),
    Noun("computer", "computers", "m", "Computer", "Computer", "tcm"),
    Noun("machine", "machines", "f", "Maschine", "Maschinen", "tm"),
    Noun("camera", "cameras", "f", "Kamera", "Kameras", "tcm"),
    Noun("table", "tables", "m", "Tisch", "Tische", "tcs", place=ON, goal=ONTO),
    Noun("bed", "beds", "n", "Bett", "Betten", "ts", place=("in", "in"), goal=ONTO),
    Noun("shelf", "shelves", "n", "Regal", "Regale", "tcs", place=ON, goal=ONTO),
    Noun("sofa", "sofas", "n", "Sofa", "Sofas", "tcs", place=ON, goal=ONTO),
    Noun("bench", "benches", "f", "Bank", "Bänke", "ts", place=ON, goal=ONTO),
    Noun("box", "boxes", "f", "Kiste", "Kisten", "tcx"),
    Noun("suitcase", "suitcases", "m", "Koffer", "Koffer", "tcx"),
    Noun("bag", "bags", "f", "Tasche", "Taschen", "tcxl"),
    Noun("door", "doors", "f", "Tür", "Türen", "txq", place=AT),
    Noun("window", "windows", "n", "Fenster", "Fenster", "tx", place=AT),
    Noun("gate", "gates", "n", "Tor", "Tore", "txq", place=AT),
    Noun("wall", "walls", "f", "Wand", "Wände", "tq"),
    Noun("fence", "fences", "m", "Zaun", "Zäune", "tq", place=AT),
    Noun("car", "cars", "n", "Auto", "Autos", "tyx", place=IN),
    Noun("bicycle", "bicycles", "n", "Fahrrad", "Fahrräder", "tcy"),
    Noun("bus", "buses", "m", "Bus", "Busse", "ty", genitive="Busses", place=IN),
    Noun("train", "trains", "m", "Zug", "Züge", "ty", place=("on", "in")),
    Noun("ship", "ships", "n", "Schiff", "Schiffe", "ty", place=ON),
    Noun("ball", "balls", "m", "Ball", "Bälle", "tcl"),
    Noun("ring", "rings", "m", "Ring", "Ringe", "tclw"),
    Noun("apple", "apples", "m", "Apfel", "Äpfel", "tfcl"),
    Noun("cake", "cakes", "m", "Kuchen", "Kuchen", "tfc"),
    Noun("egg", "eggs", "n", "Ei", "Eier", "tfc", genitive="Eis"),
    Noun("potato", "potatoes", "f", "Kartoffel", "Kartoffeln", "tfc"),
    Noun("orange", "oranges", "f", "Orange", "Orangen", "tfcl"),
    Noun("bread", "", "n", "Brot", "", "tfc0"),
    Noun("cheese", "", "m", "Käse", "", "tfc0"),
    Noun("meat", "", "n", "Fleisch", "", "tfc0"),
    Noun("water", "", "n", "Wasser", "", "td0"),
    Noun("milk", "", "f", "Milch", "", "tdc0"),
    Noun("coffee", "", "m", "Kaffee", "", "tdc0"),
    Noun("tea", "", "m", "Tee", "", "tdc0"),
    Noun("beer", "", "n", "Bier", "", "tdc0"),
    Noun("flower", "flowers", "f", "Blume", "Blumen", "tcp"),
    Noun("tree", "trees", "m", "Baum", "Bäume", "tp"),
    Noun("rose", "roses", "f", "Rose", "Rosen", "tcp"),
    Noun("house", "houses", "n", "Haus", "Häuser", "trio", place=IN, goal=INTO),
    Noun("garden", "gardens", "m", "Garten", "Gärten", "tri", place=IN, goal=INTO),
    Noun("kitchen", "kitchens", "f", "Küche", "Küchen", "tr", place=IN, goal=INTO),
    Noun("room", "rooms", "n", "Zimmer", "Zimmer", "tr", place=IN, goal=INTO),
    Noun("school", "schools", "f", "Schule", "Schulen", "tr", place=IN, goal=("to", "in")),
    Noun("church", "churches", "f", "Kirche", "Kirchen", "tri", place=IN, goal=("to", "in")),
    Noun("museum", "museums", "n", "Museum", "Museen", "trio", place=IN, goal=("to", "in")),
    Noun("castle", "castles", "n", "Schloss", "Schlösser", "trio", place=IN, goal=TO),
    Noun("city", "cities", "f", "Stadt", "Städte", "trio", place=IN, goal=("to", "in")),
    Noun("village", "villages", "n", "Dorf", "Dörfer", "trio", place=IN, goal=("to", "in")),
    Noun("forest", "forests", "m", "Wald", "Wälder", "tr", place=IN, goal=INTO),
    Noun("park", "parks", "m", "Park", "Parks", "tr", genitive="Parks", place=IN, goal=INTO),
    Noun("station", "stations", "m", "Bahnhof", "Bahnhöfe", "tr", place=AT, goal=TO),
    Noun("market", "markets", "m", "Markt", "Märkte", "tr", place=("at", "auf"), goal=("to", "auf")),
    Noun("beach", "beaches", "m", "Strand", "Strände", "tr", place=AT, goal=("to", "an")),
    Noun("lake", "lakes", "m", "See", "Seen", "tri", place=AT, goal=TO),
    Noun("river", "rivers", "m", "Fluss", "Flüsse", "tr", place=AT, goal=TO),
    Noun("office", "offices", "n", "Büro", "Büros", "tr", place=IN, goal=INTO),
    Noun("hospital", "hospitals", "n", "Krankenhaus", "Krankenhäuser", "tro", place=IN, goal=("to", "in")),
    Noun("bridge", "bridges", "f", "Brücke", "Brücken", "tri", place=ON, goal=TO),
    Noun("island", "islands", "f", "Insel", "Inseln", "tri", place=ON, goal=("to", "auf")),
    Noun("university", "universities", "f", "Universität", "Universitäten", "tr", place=AT, goal=TO),
    Noun("theatre", "theatres", "n", "Theater", "Theater", "trio", place=IN, goal=("to", "in")),
    Noun("meeting", "meetings", "f", "Sitzung", "Sitzungen", "e"),
    Noun("concert", "concerts", "n", "Konzert", "Konzerte", "e"),
    Noun("wedding", "weddings", "f", "Hochzeit", "Hochzeiten", "e"),
    Noun("holiday", "holidays", "m", "Urlaub", "Urlaube", "e"),
    Noun("storm", "storms", "m", "Sturm", "Stürme", "e"),
    Noun("lesson", "lessons", "f", "Stunde", "Stunden", "e"),
)

VERBS = (
    Verb("sleep slept slept", "schlafen schläft schlief geschlafen", "none", "ha"),
    Verb("work worked worked", "arbeiten", "none", "h"),
    Verb("laugh laughed laughed", "lachen", "none", "h"),
    Verb("cry cried cried", "weinen", "none", "h"),
    Verb("dance danced danced", "tanzen", "none", "h"),
    Verb("sing sang sung", "singen singt sang gesungen", "none", "h"),
    Verb("swim swam swum", "schwimmen schwimmt schwamm geschwommen", "none", "ha", auxiliary="sein"),
    Verb("cook cooked cooked", "kochen", "none", "h"),
    Verb("get got got", "auf|stehen steht stand gestanden", "none", "h", particle="up", auxiliary="sein"),
    Verb("wake woke woken", "auf|wachen", "none", "ha", particle="up", auxiliary="sein"),
    Verb("fall fell fallen", "ein|schlafen schläft schlief geschlafen", "none", "ha", particle="asleep", auxiliary="sein"),
    Verb("arrive arrived arrived", "an|kommen kommt kam gekommen", "none", "hy", auxiliary="sein"),
    Verb("leave left left", "ab|fahren fährt fuhr gefahren", "none", "y", auxiliary="sein"),
    Verb("come came come", "zurück|kommen kommt kam gekommen", "none", "hay", particle="back", auxiliary="sein"),
    Verb("run ran run", "weg|laufen läuft lief gelaufen", "none", "ha", particle="away", auxiliary="sein"),
    Verb("give gave given", "auf|geben gibt gab gegeben", "none", "h", particle="up"),
    Verb("see saw seen", "sehen sieht sah gesehen", "accusative", "ha", "hat", stative=True),
    Verb("hear heard heard", "hören", "accusative", "ha", "ham", stative=True),
    Verb("buy bought bought", "kaufen", "accusative", "h", "c"),
    Verb("sell sold sold", "verkaufen", "accusative", "h", "c"),
    Verb("find found found", "finden findet fand gefunden", "accusative", "ha", "hac", stative=True),
    Verb("look looked looked", "suchen", "accusative", "ha", "hac", particle="for"),
    Verb("carry carried carried", "tragen trägt trug getragen", "accusative", "h", "c"),
    Verb("love loved loved", "lieben", "accusative", "h", "ha", stative=True),
    Verb("like liked liked", "mögen mag mochte gemocht", "accusative", "h", "hafdb", stative=True),
    Verb("know knew known", "kennen kennt kannte gekannt", "accusative", "h", "hbi", stative=True),
    Verb("visit visited visited", "besuchen", "accusative", "h", "h"),
    Verb("visit visited visited", "besichtigen", "accusative", "h", "i"),
    Verb("read read read", "lesen liest las gelesen", "accusative", "h", "b"),
    Verb("write wrote written", "schreiben schreibt schrieb geschrieben", "accusative", "h", "b"),
    Verb("paint painted painted", "malen", "accusative", "h", "g"),
    Verb("paint painted painted", "streichen streicht strich gestrichen", "accusative", "h", "q"),
    Verb("eat ate eaten", "essen isst aß gegessen", "accusative", "h", "f"),
    Verb("eat ate eaten", "fressen frisst fraß gefressen", "accusative", "a", "f"),
    Verb("drink drank drunk", "trinken trinkt trank getrunken", "accusative", "h", "d"),
    Verb("wear wore worn", "tragen trägt trug getragen", "accusative", "h", "w"),
    Verb("open opened opened", "auf|machen", "accusative", "h", "x"),
    Verb("close closed closed", "zu|machen", "accusative", "h", "x"),
    Verb("turn turned turned", "ein|schalten", "accusative", "h", "m", particle="on", shift=True),
    Verb("turn turned turned", "aus|schalten", "accusative", "h", "m", particle="off", shift=True),
    Verb("call called called", "an|rufen ruft rief gerufen", "accusative", "h", "h"),
    Verb("invite invited invited", "ein|laden lädt lud geladen", "accusative", "h", "h"),
    Verb("pick picked picked", "ab|holen", "accusative", "h", "h", particle="up", shift=True),
    Verb("pick picked picked", "auf|heben hebt hob gehoben", "accusative", "h", "ul", particle="up", shift=True),
    Verb("throw threw thrown", "weg|werfen wirft warf geworfen", "accusative", "h", "lfp", particle="away", shift=True),
    Verb("put put put", "an|ziehen zieht zog gezogen", "accusative", "h", "k", particle="on", shift=True),
    Verb("take took taken", "mit|nehmen nimmt nahm genommen", "accusative", "h", "hc", particle="along", shift=True),
    Verb("look looked looked", "an|sehen sieht sah gesehen", "accusative", "ha", "hat", particle="at"),
    Verb("get got got", "kennen|lernen", "accusative", "h", "h", particle="to know"),
    Verb("repair repaired repaired", "reparieren", "accusative", "h", "my"),
    Verb("photograph photographed photographed", "fotografieren", "accusative", "h", "hai"),
    Verb("water watered watered", "gießen gießt goss gegossen", "accusative", "h", "p"),
    Verb("leave left left", "verlassen verlässt verließ verlassen", "accusative", "ha", "r"),
    Verb("forget forgot forgotten", "vergessen vergisst vergaß vergessen", "accusative", "h", "hc", stative=True),
    Verb("lose lost lost", "verlieren verliert verlor verloren", "accusative", "h", "clw", stative=True),
    Verb("bite bit bitten", "beißen beißt biss gebissen", "accusative", "a", "ha"),
    Verb("help helped helped", "helfen hilft half geholfen", "dative", "h", "h"),
    Verb("thank thanked thanked", "danken", "dative", "h", "h"),
    Verb("trust trusted trusted", "vertrauen", "dative", "h", "h", stative=True),
    Verb("follow followed followed", "folgen", "dative", "ha", "ha", auxiliary="sein"),
    Verb("listen listened listened", "zu|hören", "dative", "h", "h", particle="to"),
    Verb("watch watched watched", "zu|sehen sieht sah gesehen", "dative", "h", "ha"),
    Verb("meet met met", "begegnen", "dative", "h", "ha", auxiliary="sein", stative=True),
    Verb("belong belonged belonged", "gehören", "dative", "c", "h", particle="to", stative=True),
    Verb("give gave given", "geben gibt gab gegeben", "two", "h", "c"),
    Verb("show showed shown", "zeigen", "two", "h", "cgim"),
    Verb("send sent sent", "schicken", "two", "h", "bgw"),
    Verb("sell sold sold", "verkaufen", "two", "h", "ym"),
    Verb("lend lent lent", "leihen leiht lieh geliehen", "two", "h", "bwm"),
    Verb("bring brought brought", "bringen bringt brachte gebracht", "two", "h", "fdup"),
    Verb("give gave given", "zurück|geben gibt gab gegeben", "two", "h", "bwmg", particle="back", shift=True),
    Verb("wait waited waited", "warten", "preposition", "ha", "hy", preposition=("for", "auf", "accusative")),
    Verb("think thought thought", "denken denkt dachte gedacht", "preposition", "h", "hare", stative=True,
         preposition=("of", "an", "accusative")),
    Verb("talk talked talked", "sprechen spricht sprach gesprochen", "preposition", "h", "hbe",
         preposition=("about", "über", "accusative")),
    Verb("laugh laughed laughed", "lachen", "preposition", "h", "hag", preposition=("at", "über", "accusative")),
    Verb("ask asked asked", "bitten bittet bat gebeten", "preposition", "h", "fdb",
         preposition=("for", "um", "accusative")),
    Verb("dream dreamed dreamed", "träumen", "preposition", "h", "hari", preposition=("of", "von", "dative")),
    Verb("play played played", "spielen", "preposition", "ha", "ha", preposition=("with", "mit", "dative")),
    Verb("take took taken", "teil|nehmen nimmt nahm genommen", "preposition", "h", "e", particle="part",
         preposition=("in", "an", "dative")),
    Verb("remember remembered remembered", "erinnern", "preposition", "h", "hre", stative=True, reflexive=True,
         preposition=("", "an", "accusative")),
    Verb("look looked looked", "freuen", "preposition", "h", "e", particle="forward", reflexive=True,
         preposition=("to", "auf", "accusative")),
    Verb("complain complained complained", "beschweren", "preposition", "h", "hfe", reflexive=True,
         preposition=("about", "über", "accusative")),
    Verb("prepare prepared prepared", "vor|bereiten", "preposition", "h", "e", reflexive=True,
         preposition=("for", "auf", "accusative")),
    Verb("live lived lived", "wohnen", "place", "h", "r", stative=True),
    Verb("sit sat sat", "sitzen sitzt saß gesessen", "place", "ha", "sr"),
    Verb("stand stood stood", "stehen steht stand gestanden", "place", "ha", "rxq"),
    Verb("go went gone", "gehen geht ging gegangen", "goal", "h", "r", auxiliary="sein"),
    Verb("run ran run", "laufen läuft lief gelaufen", "goal", "ha", "r", auxiliary="sein"),
    Verb("come came come", "kommen kommt kam gekommen", "goal", "h", "r", auxiliary="sein"),
    Verb("travel travelled travelled", "reisen", "goal", "h", "i", auxiliary="sein"),
    Verb("put put put", "stellen", "put", "h", "u"),
    Verb("put put put", "legen", "put", "h", "l"),
    Verb("say said said", "sagen", "that", "h"),
    Verb("think thought thought", "glauben", "that", "h", stative=True),
    Verb("know knew known", "wissen weiß wusste gewusst", "that", "h", stative=True),
    Verb("hope hoped hoped", "hoffen", "that", "h", stative=True),
    Verb("notice noticed noticed", "merken", "that", "h", stative=True),
    Verb("hear heard heard", "hören", "that", "h", stative=True),
    Verb("find found found", "heraus|finden findet fand gefunden", "that", "h", particle="out", stative=True),
    Verb("ask asked asked", "fragen", "whether", "h", reflexive=False),
    Verb("wonder wondered wondered", "fragen", "whether", "h", reflexive=True),
    Verb("try tried tried", "versuchen", "infinitive", "h"),
    Verb("hope hoped hoped", "hoffen", "infinitive", "h", stative=True),
    Verb("decide decided decided", "beschließen beschließt beschloss beschlossen", "infinitive", "h", stative=True),
    Verb("begin began begun", "an|fangen fängt fing gefangen", "infinitive", "h", stative=True),
    Verb("forget forgot forgotten", "vergessen vergisst vergaß vergessen", "infinitive", "h", stative=True),
    Verb("plan planned planned", "vor|haben hat hatte gehabt", "infinitive", "h"),
)  # fmt: skip

ADJECTIVES = (  # in the order in which they stand before a noun
    Adjective("beautiful", "schön", "hate"),
    Adjective("ugly", "hässlich", "at", "uglier", "hässlicher"),
    Adjective("famous", "berühmt", "h"),
    Adjective("friendly", "freundlich", "ha", "friendlier", "freundlicher"),
    Adjective("clever", "klug", "ha", "cleverer", "klüger"),
    Adjective("strange", "seltsam", "hate", "stranger", "seltsamer"),
    Adjective("dangerous", "gefährlich", "a"),
    Adjective("brave", "mutig", "ha", "braver", "mutiger"),
    Adjective("happy", "glücklich", "h", "happier", "glücklicher"),
    Adjective("sad", "traurig", "h", "sadder", "trauriger"),
    Adjective("tired", "müde", "ha", stem="müd"),
    Adjective("ill", "krank", "ha"),
    Adjective("hungry", "hungrig", "ha", "hungrier", "hungriger"),
    Adjective("rich", "reich", "h", "richer", "reicher"),
    Adjective("poor", "arm", "h", "poorer", "ärmer"),
    Adjective("polite", "höflich", "h"),
    Adjective("lazy", "faul", "ha", "lazier", "fauler"),
    Adjective("important", "wichtig", "he"),
    Adjective("expensive", "teuer", "cym", stem="teur"),
    Adjective("cheap", "billig", "cym", "cheaper", "billiger"),
    Adjective("useful", "nützlich", "cmy"),
    Adjective("heavy", "schwer", "cm", "heavier", "schwerer"),
    Adjective("big", "groß", "hat", "bigger", "größer"),
    Adjective("small", "klein", "hat", "smaller", "kleiner"),
    Adjective("dirty", "schmutzig", "hat", "dirtier", "schmutziger"),
    Adjective("fast", "schnell", "a", "faster", "schneller"),
    Adjective("strong", "stark", "ha", "stronger", "stärker"),
    Adjective("dark", "dunkel", "r", "darker", "dunkler", stem="dunkl"),
    Adjective("young", "jung", "ha", "younger", "jünger"),
    Adjective("old", "alt", "hat", "older", "älter"),
    Adjective("new", "neu", "cmyxq", "newer", "neuer"),
    Adjective("long", "lang", "e", "longer", "länger"),
    Adjective("terrible", "schrecklich", "e"),
    Adjective("red", "rot", "cyxq"),
    Adjective("green", "grün", "cyxp"),
    Adjective("blue", "blau", "cyxq"),
    Adjective("white", "weiß", "acyxq"),
    Adjective("black", "schwarz", "acyxq"),
    Adjective("brown", "braun", "acyxq"),
    Adjective("wooden", "hölzern", "s"),
    Adjective("German", "deutsch", "h"),
    Adjective("Italian", "italienisch", "h"),
)
FOOD_ADJECTIVES = tuple(
    Adjective(english, german, "t", stem=stem)
    for english, german, stem in (
        ("delicious", "lecker", ""), ("fresh", "frisch", ""), ("cold", "kalt", ""), ("hot", "heiß", ""),
        ("sour", "sauer", "saur"), ("sweet", "süß", ""), ("cheap", "billig", ""), ("expensive", "teuer", "teur"),
    )
)  # fmt: skip

TIMES = (  # English, German, tenses (p present, f future, t past, m modal)
    ("today", "heute", "pftm"),
    ("yesterday", "gestern", "t"),
    ("tomorrow", "morgen", "fm"),
    ("now", "jetzt", "p"),
    ("soon", "bald", "f"),
    ("recently", "neulich", "t"),
    ("this morning", "heute Morgen", "t"),
    ("last week", "letzte Woche", "t"),
    ("next year", "nächstes Jahr", "fm"),
    ("every day", "jeden Tag", "p"),
    ("at night", "nachts", "p"),
    ("on Monday", "am Montag", "ftm"),
    ("on Sunday", "am Sonntag", "ftm"),
    ("in the evening", "am Abend", "pftm"),
    ("in summer", "im Sommer", "pftm"),
)
FREQUENCIES = (
    ("often", "oft"), ("always", "immer"), ("sometimes", "manchmal"), ("never", "nie"), ("rarely", "selten"),
    ("usually", "meistens"),
)  # fmt: skip
MANNERS = (
    ("quickly", "schnell"), ("slowly", "langsam"), ("carefully", "vorsichtig"), ("quietly", "leise"),
    ("alone", "allein"), ("secretly", "heimlich"), ("patiently", "geduldig"), ("proudly", "stolz"),
)  # fmt: skip
COMMENTS = (
    ("perhaps", "vielleicht"), ("unfortunately", "leider"), ("therefore", "deshalb"), ("fortunately", "zum Glück"),
    ("suddenly", "plötzlich"), ("of course", "natürlich"),
)  # fmt: skip

CONJUNCTIONS = (  # English, German, times in which it is used (p present, t past)
    ("because", "weil", "pt"), ("although", "obwohl", "pt"), ("if", "wenn", "p"), ("while", "während", "pt"),
    ("when", "wenn", "p"), ("when", "als", "t"), ("before", "bevor", "pt"), ("until", "bis", "pt"),
    ("so that", "sodass", "pt"), ("as soon as", "sobald", "pt"), ("after", "nachdem", "pt"), ("even if", "auch wenn", "p"),
)  # fmt: skip
EVENT_PREPOSITIONS = (
    ("during", "während", "genitive"), ("after", "nach", "dative"), ("before", "vor", "dative"),
    ("despite", "trotz", "genitive"), ("because of", "wegen", "genitive"),
)  # fmt: skip
NOUN_PREPOSITIONS = (  # English, German, case, classes of the noun inside
    ("with", "mit", "dative", "wc"), ("without", "ohne", "accusative", "w"), ("from", "aus", "dative", "o"),
    ("behind", "hinter", "dative", "rqp"), ("next to", "neben", "dative", "rqp"),
    ("in front of", "vor", "dative", "rq"), ("under", "unter", "dative", "ps"),
)  # fmt: skip
MODALS = {  # English forms (3rd singular, other, base form after do), German (singular, plural), time
    "can": ("can", "can", "", "kann", "können", "p"),
    "must": ("must", "must", "", "muss", "müssen", "p"),
    "may": ("may", "may", "", "darf", "dürfen", "p"),
    "should": ("should", "should", "", "sollte", "sollten", "p"),
    "want": ("wants to", "want to", "want to", "will", "wollen", "p"),
    "could": ("could", "could", "", "konnte", "konnten", "t"),
    "had": ("had to", "had to", "have to", "musste", "mussten", "t"),
    "wanted": ("wanted to", "wanted to", "want to", "wollte", "wollten", "t"),
}
NUMBERS = (("two", "zwei"), ("three", "drei"), ("four", "vier"), ("five", "fünf"), ("ten", "zehn"))
QUANTITIES = (("some", "einige"), ("many", "viele"), ("several", "mehrere"), ("all", "alle"))
POSSESSIVES = (("my", "mein"), ("his", "sein"), ("her", "ihr"), ("our", "unser"), ("their", "ihr"))
PERSONS = {  # English subject, object; German nominative, accusative, dative, reflexive
    "1sg": ("I", "me", "ich", "mich", "mir", "mich"),
    "he": ("he", "him", "er", "ihn", "ihm", "sich"),
    "she": ("she", "her", "sie", "sie", "ihr", "sich"),
    "1pl": ("we", "us", "wir", "uns", "uns", "uns"),
    "3pl": ("they", "them", "sie", "sie", "ihnen", "sich"),
}
