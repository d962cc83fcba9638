"""What the model can draw: concepts with their icon and wordings, colours, grounds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Concept:
    """A drawable thing: its icon in the art package, other names for it, and its plural."""

    icon: str
    synonyms: tuple[str, ...] = ()
    plural: str | None = None


def _concepts(table: str) -> dict[str, Concept]:
    """Parse ``name = icon | synonym, synonym | plural`` lines."""
    concepts = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        name, _, rest = line.partition("=")
        icon, synonyms, plural = ([*map(str.strip, rest.split("|")), "", ""])[:3]
        words = tuple(word.strip() for word in synonyms.split(",") if word.strip())
        concepts[name.strip()] = Concept(icon, words, plural or None)
    return concepts


# The first block holds GenEval's object names as far as the art draws them, the second common others.
CONCEPTS = _concepts("""
    person = person-standing | human | people
    bicycle = bicycle | bike
    car = automobile | automobile
    motorcycle = motorcycle | motorbike | motorcycles
    airplane = airplane | plane, aeroplane
    bus = bus || buses
    train = train
    truck = delivery-truck | lorry
    boat = sailboat | sailboat
    traffic light = vertical-traffic-light | stoplight
    stop sign = stop-sign
    bird = bird
    cat = cat | kitty
    dog = dog | puppy
    horse = horse
    sheep = ewe | ewe | sheep
    cow = cow
    elephant = elephant
    bear = bear
    zebra = zebra
    giraffe = giraffe
    backpack = backpack | rucksack
    umbrella = umbrella
    handbag = handbag | purse
    tie = necktie | necktie
    suitcase = luggage
    frisbee = flying-disc | flying disc
    skis = skis | pair of skis | skis
    sports ball = soccer-ball | soccer ball, football
    kite = kite
    skateboard = skateboard
    tennis racket = tennis
    bottle = lotion-bottle
    wine glass = wine-glass | glass of wine | wine glasses
    cup = hot-beverage | mug
    fork = fork-and-knife
    knife = kitchen-knife || knives
    spoon = spoon
    bowl = bowl-with-spoon
    banana = banana
    apple = red-apple
    sandwich = sandwich || sandwiches
    orange = tangerine | tangerine
    broccoli = broccoli || broccoli
    carrot = carrot
    hot dog = hot-dog
    pizza = pizza | slice of pizza
    donut = doughnut | doughnut
    cake = birthday-cake | birthday cake
    chair = chair
    couch = couch-and-lamp | sofa | couches
    potted plant = potted-plant | plant
    bed = bed
    toilet = toilet
    tv = television | television, tv set
    laptop = laptop | notebook computer
    computer mouse = computer-mouse
    computer keyboard = keyboard | keyboard
    cell phone = mobile-phone | phone, mobile phone, smartphone
    book = closed-book
    clock = mantelpiece-clock
    vase = amphora | amphora
    scissors = scissors | pair of scissors | scissors
    teddy bear = teddy-bear
    toothbrush = toothbrush || toothbrushes

    rabbit = rabbit | bunny
    fox = fox || foxes
    frog = frog
    turtle = turtle | tortoise
    penguin = penguin
    owl = owl
    fish = tropical-fish | tropical fish | fish
    butterfly = butterfly || butterflies
    duck = duck
    pig = pig
    lion = lion
    tiger = tiger
    panda = panda
    monkey = monkey
    octopus = octopus || octopuses
    whale = whale
    crab = crab
    snail = snail
    mushroom = mushroom | toadstool
    cactus = cactus || cacti
    sunflower = sunflower
    rose = rose
    tulip = tulip
    tree = deciduous-tree
    strawberry = strawberry || strawberries
    grapes = grapes | bunch of grapes | grapes
    pineapple = pineapple
    watermelon = watermelon
    lemon = lemon
    cherries = cherries || cherries
    peach = peach || peaches
    tomato = tomato || tomatoes
    pumpkin = jack-o-lantern
    hamburger = hamburger | burger
    cupcake = cupcake | muffin
    cookie = cookie | biscuit
    ice cream = soft-ice-cream
    teapot = teapot
    guitar = guitar
    drum = drum
    trumpet = trumpet
    camera = camera
    light bulb = light-bulb | bulb
    key = old-key
    hammer = hammer
    crown = crown
    top hat = top-hat | hat
    shoe = running-shoe | sneaker, trainer
    balloon = balloon
    rocket = rocket | spaceship
    robot = robot
    house = house
    tent = tent
    star = star
    heart = red-heart
    helicopter = helicopter
    tractor = tractor
    bell = bell
    gift = wrapped-gift | present
""")

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 38, 48),
    "orange": (246, 136, 28),
    "yellow": (250, 208, 40),
    "green": (52, 168, 70),
    "blue": (42, 104, 226),
    "purple": (134, 62, 200),
    "pink": (250, 122, 182),
    "brown": (128, 78, 44),
    "black": (42, 42, 46),
    "white": (240, 240, 242),
}

# Quiet grounds on which every object colour reads; the name is what captions call them.
GROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (244, 243, 240),
    "grey": (176, 180, 186),
    "cream": (246, 232, 205),
    "light blue": (188, 217, 240),
    "mint": (190, 228, 208),
    "lavender": (212, 203, 236),
    "peach": (250, 214, 192),
    "teal": (66, 138, 142),
    "navy": (46, 60, 104),
    "dark grey": (74, 78, 86),
}

NUMBERS = {2: "two", 3: "three", 4: "four"}
