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
    "i": "sight", "g": "picture", "q": "wall or fence", "y": "vehicle", "p": "plant", "w": "worn", "k": "clothes",
    "o": "place to come from", "0": "mass noun",
}  # fmt: skip
FRAMES = {
    "none": "nothing", "accusative": "direct object", "dative": "dative object", "two": "dative and direct object",
    "preposition": "prepositional object", "place": "place", "goal": "direction", "put": "direct object and direction",
    "that": "clause with that", "whether": "clause with whether", "infinitive": "infinitive with to",
    "adjective": "predicative adjective",
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
    Noun("beach", "beaches", "m", "Strand", "Strände", "tr", place=("on", "an"), goal=("to", "an")),
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
SORTS = {
    word: sort for sort, words_ in enumerate((
        "beautiful ugly", "friendly polite", "dangerous brave", "happy sad", "rich poor", "expensive cheap",
        "big small", "young old new fresh", "red green blue white black brown", "sour sweet", "cold hot",
        "tired ill lazy hungry", "German Italian", "terrible strange", "strong fast", "famous important",
    ), start=1) for word in words_.split(" ")
}  # fmt: skip
"""Adjectives of one sort do not stand together."""
UNGRADED = ("red", "green", "blue", "white", "black", "brown", "wooden", "German", "Italian")
"""Adjectives that do not go with "very"."""
