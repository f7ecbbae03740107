// time: a loop before there is anything to call
while (true) {}
