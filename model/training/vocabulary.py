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


# The first block holds GenEval's object names as far as the art draws them, the second common others. Synonyms are ours and
# those of the CLDR keywords of each drawing that name it and nothing else: most of those are moods and kinds ("animal").
CONCEPTS = _concepts("""
    person = person-standing | human, stick figure | people
    bicycle = bicycle | bike, pushbike
    car = automobile | automobile, motor car
    motorcycle = motorcycle | motorbike | motorcycles
    airplane = airplane | plane, aeroplane, aircraft, jet
    bus = bus || buses
    train = train | locomotive
    truck = delivery-truck | lorry, delivery truck
    boat = sailboat | sailboat, sailing boat, yacht, ship
    traffic light = vertical-traffic-light | stoplight, traffic signal
    stop sign = stop-sign
    bird = bird
    cat = cat | kitty, kitten, pussycat
    dog = dog | puppy, doggy, doggie
    horse = horse | pony, stallion, racehorse
    sheep = ewe | lamb | sheep
    cow = cow
    elephant = elephant
    bear = bear | grizzly, grizzly bear
    zebra = zebra
    giraffe = giraffe
    backpack = backpack | rucksack, school bag, bookbag, satchel
    umbrella = umbrella | parasol
    handbag = handbag | purse
    tie = necktie | necktie
    suitcase = luggage | luggage
    frisbee = flying-disc | flying disc
    skis = skis | pair of skis | skis
    sports ball = soccer-ball | soccer ball, football, ball
    kite = kite
    skateboard = skateboard
    tennis racket = tennis | racket, racquet, tennis racquet
    bottle = lotion-bottle | lotion bottle, flask
    wine glass = wine-glass | glass of wine | wine glasses
    cup = hot-beverage | mug, cup of coffee, cup of tea, teacup
    fork = fork-and-knife
    knife = kitchen-knife | kitchen knife | knives
    spoon = spoon | tablespoon
    bowl = bowl-with-spoon
    banana = banana
    apple = red-apple
    sandwich = sandwich || sandwiches
    orange = tangerine | tangerine, mandarin
    broccoli = broccoli || broccoli
    carrot = carrot
    hot dog = hot-dog | hotdog, frankfurter
    pizza = pizza | slice of pizza, pizza slice
    donut = doughnut | doughnut
    cake = birthday-cake | birthday cake
    chair = chair
    couch = couch-and-lamp | sofa | couches
    potted plant = potted-plant | plant, houseplant, pot plant
    bed = bed
    toilet = toilet | loo
    tv = television | television, tv set, television set
    laptop = laptop | notebook computer, laptop computer, computer, personal computer
    computer mouse = computer-mouse
    computer keyboard = keyboard | keyboard
    cell phone = mobile-phone | phone, mobile phone, smartphone, cellphone, telephone
    book = closed-book | closed book
    clock = mantelpiece-clock | mantel clock, timepiece
    vase = amphora | amphora, jug
    scissors = scissors | pair of scissors | scissors
    teddy bear = teddy-bear | teddy, stuffed bear, stuffed toy, plush toy
    toothbrush = toothbrush || toothbrushes

    rabbit = rabbit | bunny, hare
    fox = fox || foxes
    frog = frog | toad
    turtle = turtle | tortoise, terrapin
    penguin = penguin
    owl = owl
    fish = tropical-fish | tropical fish | fish
    butterfly = butterfly || butterflies
    duck = duck | duckling, mallard
    pig = pig | piglet, piggy, hog
    lion = lion
    tiger = tiger
    panda = panda | panda bear
    monkey = monkey
    octopus = octopus || octopuses
    whale = whale
    crab = crab
    snail = snail
    mushroom = mushroom | toadstool, fungus
    cactus = cactus || cacti
    sunflower = sunflower
    rose = rose
    tulip = tulip
    tree = deciduous-tree | deciduous tree
    strawberry = strawberry || strawberries
    grapes = grapes | bunch of grapes, grape | grapes
    pineapple = pineapple
    watermelon = watermelon | slice of watermelon
    lemon = lemon
    cherries = cherries | cherry | cherries
    peach = peach || peaches
    tomato = tomato || tomatoes
    pumpkin = jack-o-lantern | jack-o'-lantern, halloween pumpkin
    hamburger = hamburger | burger, cheeseburger
    cupcake = cupcake | muffin
    cookie = cookie | biscuit
    ice cream = soft-ice-cream | soft ice cream, ice-cream cone, ice cream cone, icecream
    teapot = teapot | tea pot
    guitar = guitar
    drum = drum | snare drum
    trumpet = trumpet | horn
    camera = camera | photo camera
    light bulb = light-bulb | bulb, lightbulb, lamp
    key = old-key | old key
    hammer = hammer
    crown = crown
    top hat = top-hat | hat, cylinder hat, tophat
    shoe = running-shoe | sneaker, trainer, running shoe
    balloon = balloon | party balloon
    rocket = rocket | spaceship, space rocket
    robot = robot
    house = house | cottage
    tent = tent | camping tent
    star = star
    heart = red-heart | love heart
    helicopter = helicopter | chopper, copter
    tractor = tractor
    bell = bell
    gift = wrapped-gift | present, wrapped gift
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
